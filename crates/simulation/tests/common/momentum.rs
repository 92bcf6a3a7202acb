//! Federated averaging with server momentum: an algorithm that keeps something between rounds.

use sottovoce_core::{Aggregate, Algorithm, ClientError, LocalTask, Params, Trained};

/// `v ← beta · v + mean`, `w ← w + v`. The state also counts rounds.
pub(crate) struct Momentum {
    pub(crate) beta: f32,
}

impl Algorithm for Momentum {
    type Server = (u64, Vec<f32>);
    fn name(&self) -> &'static str {
        "momentum"
    }
    fn start(&self, params: &Params) -> Self::Server {
        (0, vec![0.0; params.values().len()])
    }
    fn client(&self, task: &mut dyn LocalTask, _server: &Self::Server) -> Result<Trained, ClientError> {
        task.train(None)
    }
    fn server(&self, params: &mut Params, (rounds, velocity): &mut Self::Server, mean: &Aggregate) {
        *rounds += 1;
        for v in velocity.iter_mut() {
            *v *= self.beta;
        }
        let mut rest = mean.delta.values();
        for range in mean.delta.ranges() {
            let (row, tail) = rest.split_at(range.len());
            rest = tail;
            for (v, d) in velocity[range].iter_mut().zip(row) {
                *v += *d;
            }
        }
        for (p, v) in params.values_mut().iter_mut().zip(velocity) {
            *p += *v;
        }
    }
}
