//! Federated averaging with server momentum, written anew: an algorithm that is not in the library, and keeps something.

use sottovoce_core::{Algorithm, Answer, ClientError, LocalTask, ServerCx, Values};

/// `v ← beta · v + mean`, `w ← w + v`. The state also counts rounds.
pub(crate) struct Momentum {
    pub(crate) beta: f32,
}

impl Algorithm for Momentum {
    type Server = (u64, Values);
    type Client = ();
    fn name(&self) -> &'static str {
        "momentum"
    }
    fn client(
        &self,
        task: &mut dyn LocalTask,
        _server: &Self::Server,
        _own: &mut (),
    ) -> Result<Answer, ClientError> {
        Ok(task.train(None)?.into())
    }
    fn server(&self, cx: &mut ServerCx<'_>, (rounds, velocity): &mut Self::Server) {
        *rounds += 1;
        for v in velocity.iter_mut() {
            *v *= self.beta;
        }
        velocity.add_scaled(1.0, cx.mean.delta());
        for (p, v) in cx.params.values_mut().iter_mut().zip(velocity.iter()) {
            *p += *v;
        }
    }
}
