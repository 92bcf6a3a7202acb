//! SCAFFOLD: control variates correct the drift of local training.
//!
//! S. P. Karimireddy, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: "SCAFFOLD: Stochastic Controlled Averaging
//! for Federated Learning", ICML 2020, algorithm 1. Symbols: `c` = the server's state, `c_i` = a client's, `η_l K` = `rates`.
//!
//! Deviations: clients are weighted by their examples. On rows that a client does not touch, `c_i` stays 0 and its
//! parameters move by `−η_l K c`; the client sends its delta without that, and the server adds the mean of it, so that
//! upload and client state stay as sparse as the data. Cost: two blocks each way; the server's step is dense.

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

#[rustfmt::skip]
impl Algorithm for Scaffold {
    type Server = Values;
    type Client = Values;
    fn name(&self) -> &'static str { "scaffold" }
    fn plain_sgd(&self) -> bool { true }
    fn contents(&self, _: u64) -> Contents { Contents { blocks: 2, numbers: 1 } }
    fn broadcast(&self, c: &Values) -> u64 { c.len() as u64 }
    fn client(&self, task: &mut dyn LocalTask, c: &Values, own: &mut Values) -> Result<Answer, ClientError> {
        let c = task.gather(c);
        let c_i = own.at_least(c.len());
        let drift: Vec<f32> = c.iter().zip(&*c_i).map(|(c, c_i)| c - c_i).collect();
        let mut trained = task.train(Some(&mut |_, g| add(g, 1.0, &drift)))?;
        let mut control = match self.option {
            1 => task.gradient(&task.start()),
            _ => trained.delta.values().iter().zip(&drift).map(|(d, drift)| -d / trained.rates - drift).collect(),
        };
        for (new, c_i) in control.iter_mut().zip(c_i) {
            (*new, *c_i) = (*new - *c_i, *new);
        }
        let rates = trained.rates;
        add(trained.delta.values_mut(), rates, &c);
        let control = task.block(control);
        Ok(Answer::from(trained).block(control).number(rates))
    }
    fn server(&self, cx: &mut ServerCx<'_>, c: &mut Values) {
        cx.step(self.server_lr);
        cx.add(-self.server_lr * cx.mean.numbers[0], c);
        c.add_scaled(cx.mean.updates as f32 / cx.clients as f32, &cx.mean.blocks[1]);
    }
}
