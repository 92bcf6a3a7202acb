//! SCAFFOLD: control variates correct the drift of local training.
//!
//! S. P. Karimireddy, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: "SCAFFOLD: Stochastic Controlled Averaging
//! for Federated Learning", ICML 2020, algorithm 1.
//!
//! Symbols: `c` = the server's control variate, `c_i` = a client's, `p_i` = its share of the population's examples,
//! `η_l K` = `rates`. After every round `c = Σ p_i c_i` over the population.
//!
//! Deviations: clients are weighted by their examples, in the paper alike: of a cohort `S`, `c` moves by the weighted
//! mean of the changes times `Σ_S p_i`, where the paper has `|S| / N`. A client's `c_i` moves by the change as it was
//! sent, so that transforms leave the sum true. On rows that a client does not touch, `c_i` stays 0 and its parameters
//! move by `−η_l K c`; the client sends its delta without that, and the server adds the mean of it, so that upload and
//! client state stay as sparse as the data. Cost: two blocks each way; the server's step is dense, and it asks once
//! how many examples the population has.

use crate::prelude::*;

/// FedAvg whose clients correct their drift with control variates; local steps have to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaffold {
    /// How clients renew their control variate: option 1, the gradient at the broadcast parameters, or 2, what their steps came to.
    #[serde(default = "two")]
    #[schemars(extend("minimum" = 1, "maximum" = 2))]
    pub option: u8,
    /// Server learning rate η_g.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

fn two() -> u8 {
    2
}

/// The server's control variate, and the weight of the whole population.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Control {
    c: Values,
    population: f64,
}

impl Control {
    /// The control variate; empty for zeros.
    pub fn values(&self) -> &[f32] {
        &self.c
    }
}

#[rustfmt::skip]
impl Algorithm for Scaffold {
    type Server = Control;
    type Client = Values;
    fn name(&self) -> &'static str { "scaffold" }
    fn plain_sgd(&self) -> bool { true }
    fn contents(&self, _: u64) -> Contents { Contents { blocks: 2, numbers: 1 } }
    fn start(&self, cx: &StartCx<'_>) -> Control { Control { c: Values::default(), population: (cx.weight)() as f64 } }
    fn broadcast(&self, server: &Control) -> u64 { server.c.len() as u64 }
    fn client(&self, task: &mut dyn LocalTask, server: &Control, own: &mut Values) -> Result<Answer, ClientError> {
        let c = task.gather(&server.c);
        let c_i = &*own.at_least(c.len());
        let drift: Vec<f32> = c.iter().zip(c_i).map(|(c, c_i)| c - c_i).collect();
        let mut trained = task.train(Some(&mut |_, g| add(g, 1.0, &drift)))?;
        let mut change = match self.option {
            1 => task.gradient(&task.start()),
            _ => trained.delta.values().iter().zip(&drift).map(|(d, drift)| -d / trained.rates - drift).collect(),
        };
        add(&mut change, -1.0, c_i);
        let rates = trained.rates;
        add(trained.delta.values_mut(), rates, &c);
        let change = task.block(change);
        Ok(Answer::from(trained).block(change).number(rates))
    }
    fn sent(&self, task: &dyn LocalTask, sent: &Answer, own: &mut Values) {
        task.add(own, 1.0, &sent.blocks[1].1);
    }
    fn server(&self, cx: &mut ServerCx<'_>, server: &mut Control) {
        cx.step(self.server_lr);
        cx.add(-self.server_lr * cx.mean.numbers[0], &server.c);
        server.c.add_scaled((cx.mean.weight as f64 / server.population) as f32, &cx.mean.blocks[1]);
    }
}
