//! Mime and MimeLite: clients step with the server's momentum, which local data do not change.
//!
//! S. P. Karimireddy, M. Jaggi, S. Kale, M. Mohri, S. Reddi, S. Stich, A. T. Suresh: "Breaking the centralized barrier for
//! cross-device federated learning", NeurIPS 2021, algorithm 1 with SGD and momentum as the base.
//!
//! Symbols: `m` = momentum, `c` = mean gradient of the round before, `β` = `beta`, `x` = broadcast, `y` = local parameters.
//!
//! Deviations: `c` is that of the round before, because a round has one exchange; round 0 has none, and its Mime is
//! MimeLite. Clients are weighted by their examples. Where a client touches no row, its parameters move by a multiple of
//! momentum and `c`; the server adds that (see `scaffold.rs`). Cost: two blocks up, and a pass over the client's
//! data for its gradient; Mime takes a second gradient at each step.

use crate::prelude::*;

/// Clients step with the server's momentum; Mime corrects their gradients, too. Local steps have to be plain SGD.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mime {
    /// Share of the momentum that stays from round to round.
    #[serde(default = "beta")]
    #[schemars(extend("minimum" = 0, "exclusiveMaximum" = 1))]
    pub beta: f32,
    /// Leaves out the correction of local gradients: MimeLite.
    #[serde(default)]
    pub lite: bool,
    /// Factor on the mean delta; 1 in the paper.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

fn beta() -> f32 {
    0.9
}

/// Momentum, and the mean gradient of the round before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Momentum {
    m: Values,
    c: Values,
}

impl Mime {
    /// Whether local gradients are corrected.
    fn corrects(&self, server: &Momentum) -> bool {
        !self.lite && !server.c.is_empty()
    }
}

impl Algorithm for Mime {
    type Server = Momentum;
    type Client = ();
    fn name(&self) -> &'static str {
        "mime"
    }
    fn plain_sgd(&self) -> bool {
        true
    }
    fn contents(&self, _clients: u64) -> Contents {
        Contents { blocks: 2, numbers: 1 }
    }
    fn broadcast(&self, server: &Momentum) -> u64 {
        (server.m.len() + if self.lite { 0 } else { server.c.len() }) as u64
    }
    fn client(&self, task: &mut dyn LocalTask, server: &Momentum, _: &mut ()) -> Result<Answer, ClientError> {
        let (beta, corrects) = (self.beta, self.corrects(server));
        // What every step adds to the gradient's share.
        let mut always = task.gather(&server.m);
        always.iter_mut().for_each(|m| *m *= beta);
        if corrects {
            add(&mut always, 1.0 - beta, &task.gather(&server.c));
        }
        let mut at_start = vec![0.0; always.len()];
        let mut trained = task.train(Some(&mut |step, gradient| {
            if corrects {
                at_start.fill(0.0);
                (step.gradient_at)(step.start, &mut at_start);
                add(gradient, -1.0, &at_start);
            }
            for (g, always) in gradient.iter_mut().zip(&always) {
                *g = (1.0 - beta) * *g + always;
            }
        }))?;
        let rates = trained.rates;
        add(trained.delta.values_mut(), rates, &always);
        let gradient = task.gradient(&task.start());
        let gradient = task.block(gradient);
        Ok(Answer::from(trained).block(gradient).number(rates))
    }
    fn server(&self, cx: &mut ServerCx<'_>, server: &mut Momentum) {
        let moved = -self.server_lr * cx.mean.numbers[0];
        cx.step(self.server_lr);
        cx.add(moved * self.beta, &server.m);
        if self.corrects(server) {
            cx.add(moved * (1.0 - self.beta), &server.c);
        }
        let gradient = &cx.mean.blocks[1];
        server.m.scale(self.beta);
        server.m.add_scaled(1.0 - self.beta, gradient);
        if !self.lite {
            server.c = Values::default();
            server.c.add_scaled(1.0, gradient);
        }
    }
}
