//! Agnostic federated learning: the model is trained for the worst mixture of clients.
//!
//! M. Mohri, G. Sivek, A. T. Suresh: "Agnostic Federated Learning", ICML 2019, figure 3 (stochastic AFL).
//!
//! Symbols: `λ` = the server's state, a number for each client, on the simplex; `γ_λ` = `lambda_lr`.
//!
//! Deviations: local training takes the place of one gradient; of a cohort that is not everybody, the step is the mean
//! under `λ` restricted to it, and only its own losses move `λ`. A client sends its delta times `λ_k`, `λ_k`, and its loss.
//! Cost: FedAvg's, a pass over the client's data for its loss; a number for each client on the server.

use crate::prelude::*;

/// Trains for the worst mixture of clients; a mixture weight for each client follows its loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Afl {
    /// Learning rate γ_λ of the mixture.
    #[schemars(extend("minimum" = 0))]
    pub lambda_lr: f32,
    /// Factor on the mean delta.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub server_lr: f32,
}

impl Algorithm for Afl {
    type Server = Values;
    type Client = ();
    fn name(&self) -> &'static str {
        "afl"
    }
    fn contents(&self, clients: u64) -> Contents {
        Contents { blocks: 1, numbers: 1 + clients as usize }
    }
    fn start(&self, cx: &StartCx<'_>) -> Values {
        vec![1.0 / cx.clients as f32; cx.clients as usize].into()
    }
    fn broadcast(&self, _: &Values) -> u64 {
        1
    }
    fn mean_only(&self) -> Option<&'static str> {
        Some(
            "its mixture follows the losses that clients report: one that lies takes it over, whatever the rule",
        )
    }
    fn client(&self, task: &mut dyn LocalTask, lambda: &Values, _: &mut ()) -> Result<Answer, ClientError> {
        let client = task.client().0 as usize;
        // Relative to the uniform mixture, so that the numbers do not shrink with the population.
        let share = lambda[client] * lambda.len() as f32;
        let loss = task.loss(&task.start()) as f32;
        let mut trained = task.train(None)?;
        for d in trained.delta.values_mut() {
            *d *= share;
        }
        let mut answer = Answer::from(trained).number(share).unweighted();
        answer.numbers.push((1 + client, loss));
        Ok(answer)
    }
    fn server(&self, cx: &mut ServerCx<'_>, lambda: &mut Values) {
        let numbers = &cx.mean.numbers;
        for (lambda, mean) in lambda.iter_mut().zip(&numbers[1..]) {
            // The mean over the cohort of a number that one client sent.
            *lambda += self.lambda_lr * mean * cx.mean.updates as f32;
        }
        project_to_simplex(lambda);
        if numbers[0] > 0.0 {
            cx.step(self.server_lr / numbers[0]);
        }
    }
}

/// The nearest point whose places are at least 0 and sum to 1 (Duchi et al., ICML 2008, figure 1).
fn project_to_simplex(values: &mut [f32]) {
    let mut sorted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut theta) = (0.0, 0.0);
    for (i, v) in sorted.iter().enumerate() {
        sum += v;
        let candidate = (sum - 1.0) / (i + 1) as f64;
        if *v > candidate {
            theta = candidate;
        }
    }
    for v in values {
        *v = (f64::from(*v) - theta).max(0.0) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_are_as_worked_out_by_hand() {
        for (from, to) in [
            (vec![0.5, 0.5], vec![0.5, 0.5]),
            (vec![2.0, 0.0], vec![1.0, 0.0]),
            (vec![1.0, 1.0, 0.0], vec![0.5, 0.5, 0.0]),
            (vec![0.75, 0.5, -1.0], vec![0.625, 0.375, 0.0]),
        ] {
            let mut values = from.clone();
            project_to_simplex(&mut values);
            assert_eq!(values, to, "{from:?}");
        }
    }
}
