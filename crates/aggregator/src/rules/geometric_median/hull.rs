//! The least sum of distances on the affine hull of points that were visited, without reading the rows again.
//!
//! Points are combinations of the rows, `v = Σⱼ cⱼ xⱼ` with `Σⱼ cⱼ = 1`, whose squared distances to all rows are known.
//! For two of them, `p = v - w`, these say what `p · (xⱼ - w)` is; and `‖p‖² = Σⱼ (c of v - c of w)ⱼ p · (xⱼ - w)`.
//! So directions can be made orthonormal, and every row is seen from the hull: where its foot is, and how high above it
//! the row lies.
//!
//! | symbol | meaning |
//! |---|---|
//! | `a` | a point of the hull, in coordinates from the last point visited |
//! | `hⱼ`, `eⱼ` | foot and height of row j |
//! | `φ(a)` | `Σⱼ αⱼ √(‖a - hⱼ‖² + eⱼ²)`, what is minimised; Newton's method |
//!
//! Minimising over all steps so far is the conjugate gradient method where the sum of distances is quadratic, and over
//! the last few nearly so (Narkiss and Zibulevsky, "Sequential Subspace Optimization Method for Large-Scale
//! Unconstrained Problems", Technion CCIT 559, 2005). Cost: `n` times the square of [`DIRECTIONS`] for a step of
//! Newton's method.

use crate::rules::combination::shares;
use crate::spectrum;

/// Directions: steps that are remembered.
const DIRECTIONS: usize = 4;
/// Steps of Newton's method, at most.
const NEWTON: usize = 40;
/// It ends behind a step so small, relative to the way so far, or so small and not smaller than the one before.
const ACCURATE: f64 = 1e-6;
/// A direction is one if its square is so many times what rounding may have made of it.
const CERTAIN: f64 = 1e3 * f64::EPSILON;
/// What a direction has to keep of its square when it is made orthogonal.
const INDEPENDENT: f64 = 1e-10;

/// A point that was visited.
struct Visited {
    coefficients: Vec<f64>,
    squared: Vec<f64>,
}

/// The points visited last, the last one at the end.
#[derive(Default)]
pub(super) struct Hull {
    visited: Vec<Visited>,
}

/// The least of a hull.
pub(super) struct Least {
    pub(super) coefficients: Vec<f64>,
    pub(super) distances: Vec<f64>,
    /// `None` for a point alone.
    pub(super) contraction: Option<Contraction>,
}

/// By how much Weiszfeld's step shrinks what is left of the way.
#[derive(Clone, Copy)]
pub(super) struct Contraction {
    /// In the hull's slowest direction.
    pub(super) known: f64,
    /// In the slowest of all directions, at worst.
    pub(super) certain: f64,
}

/// A direction of length 1: its coefficients, and its product with each row's difference from the last point.
struct Direction {
    coefficients: Vec<f64>,
    along: Vec<f64>,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

impl Hull {
    pub(super) fn visit(&mut self, coefficients: &[f64], distances: &[f64]) {
        if self.visited.len() > DIRECTIONS {
            self.visited.remove(0);
        }
        let squared = distances.iter().map(|d| d * d).collect();
        self.visited.push(Visited { coefficients: coefficients.to_vec(), squared });
    }

    pub(super) fn is_more_than_a_point(&self) -> bool {
        self.visited.len() > 1
    }

    /// Forgets all points.
    pub(super) fn clear(&mut self) {
        self.visited.clear();
    }

    /// Needs a point. `alphas` are the rows' shares.
    pub(super) fn least(&self, alphas: &[f64]) -> Least {
        let (last, before) = self.visited.split_last().expect("a point was visited");
        let directions = directions(last, before);
        let feet: Vec<Vec<f64>> =
            (0..alphas.len()).map(|j| directions.iter().map(|d| d.along[j]).collect()).collect();
        let mut seen = Seen { alphas, squared: &last.squared, feet, tilt: vec![0.0; directions.len()] };
        seen.tilt = seen.correction(&last.coefficients);
        let at = seen.minimum(directions.len());
        let mut coefficients = last.coefficients.clone();
        for (direction, a) in directions.iter().zip(&at) {
            coefficients.iter_mut().zip(&direction.coefficients).for_each(|(c, d)| *c += a * d);
        }
        Least { coefficients, distances: seen.distances(&at), contraction: seen.contraction(&at) }
    }
}

/// Orthonormal directions from `last` to the points before it, without those that rounding has made.
fn directions(last: &Visited, before: &[Visited]) -> Vec<Direction> {
    let mut found: Vec<Direction> = Vec::new();
    for point in before.iter() {
        let pairs = point.coefficients.iter().zip(&last.coefficients);
        let mut coefficients: Vec<f64> = pairs.map(|(theirs, ours)| theirs - ours).collect();
        let nearer: Vec<f64> =
            last.squared.iter().zip(&point.squared).map(|(ours, theirs)| (ours - theirs) / 2.0).collect();
        let length = dot(&coefficients, &nearer);
        let rounding = coefficients.iter().zip(&last.squared).fold(0.0, |sum, (c, d)| sum + c.abs() * d);
        if length.is_nan() || length <= CERTAIN * rounding {
            continue;
        }
        let mut along: Vec<f64> = nearer.iter().map(|x| x + length / 2.0).collect();
        for other in &found {
            let by = dot(&coefficients, &other.along);
            coefficients.iter_mut().zip(&other.coefficients).for_each(|(c, o)| *c -= by * o);
            along.iter_mut().zip(&other.along).for_each(|(t, o)| *t -= by * o);
        }
        let left = dot(&coefficients, &along);
        if left.is_nan() || left <= INDEPENDENT * length {
            continue;
        }
        let scale = 1.0 / left.sqrt();
        coefficients.iter_mut().chain(&mut along).for_each(|x| *x *= scale);
        found.push(Direction { coefficients, along });
    }
    found
}

/// The rows as they are seen from the hull.
struct Seen<'a> {
    alphas: &'a [f64],
    feet: Vec<Vec<f64>>,
    /// Squared distances to the last point.
    squared: &'a [f64],
    /// What the gradient at the last point is more than the sum over the rows says.
    tilt: Vec<f64>,
}

impl Seen<'_> {
    fn distances(&self, at: &[f64]) -> Vec<f64> {
        let squared = |(foot, squared): (&Vec<f64>, &f64)| {
            foot.iter().zip(at).fold(*squared, |sum, (h, a)| sum + a * (a - 2.0 * h))
        };
        self.feet.iter().zip(self.squared).map(|row| f64::max(squared(row), 0.0).sqrt()).collect()
    }

    fn value(&self, at: &[f64]) -> f64 {
        dot(self.alphas, &self.distances(at)) + dot(&self.tilt, at)
    }

    /// The rows' pulls cancel near the minimum, and with them the digits of their sum. The last point's coefficients
    /// before and after Weiszfeld's step have these digits: the gradient there is `Σ β` times their difference.
    fn correction(&self, coefficients: &[f64]) -> Vec<f64> {
        let origin = vec![0.0; self.tilt.len()];
        let Some((total, gradient, _)) = self.derivatives(&origin) else { return origin };
        let beta = |(alpha, d): (&f64, &f64)| if *alpha == 0.0 { 0.0 } else { alpha / d.sqrt() };
        let betas: Vec<f64> = self.alphas.iter().zip(self.squared).map(beta).collect();
        let (next, mut exact) = (shares(&betas), origin);
        for ((next, now), foot) in next.iter().zip(coefficients).zip(&self.feet) {
            exact.iter_mut().zip(foot).for_each(|(g, h)| *g -= total * (next - now) * h);
        }
        exact.iter().zip(gradient).map(|(exact, summed)| exact - summed).collect()
    }

    /// `Σ β`, `Σ β (a - h)`, `Σ β (a - h)(a - h)ᵀ / d²` with `β = α/d`; `None` at a row.
    fn derivatives(&self, at: &[f64]) -> Option<(f64, Vec<f64>, Vec<f64>)> {
        let m = at.len();
        let (mut total, mut gradient, mut spread) = (0.0, self.tilt.clone(), vec![0.0; m * m]);
        let mut towards = Vec::with_capacity(m);
        for ((alpha, d), foot) in self.alphas.iter().zip(self.distances(at)).zip(&self.feet) {
            if *alpha == 0.0 {
                continue;
            }
            let beta = alpha / d;
            total += beta;
            towards.clear();
            towards.extend(at.iter().zip(foot).map(|(a, h)| (a - h) / d));
            for (i, u) in towards.iter().enumerate() {
                gradient[i] += alpha * u;
                towards.iter().enumerate().for_each(|(k, w)| spread[i * m + k] += beta * u * w);
            }
        }
        // At a row β is infinite, and the others' directions times it are not a number.
        let finite = total.is_finite() && gradient.iter().chain(&spread).all(|x| x.is_finite());
        finite.then_some((total, gradient, spread))
    }

    fn minimum(&self, m: usize) -> Vec<f64> {
        let mut at = vec![0.0; m];
        let (mut value, mut last) = (self.value(&at), f64::INFINITY);
        for _ in 0..if m == 0 { 0 } else { NEWTON } {
            let Some((total, gradient, spread)) = self.derivatives(&at) else { break };
            let hessian: Vec<f64> =
                (0..m * m).map(|e| if e % (m + 1) == 0 { total } else { 0.0 } - spread[e]).collect();
            // Where rounding leaves no curvature, Weiszfeld's step.
            let mut step = solved(hessian, gradient.clone(), total * f64::EPSILON)
                .unwrap_or_else(|| gradient.iter().map(|g| g / total).collect());
            let mut moved = None;
            for _ in 0..50 {
                let trial: Vec<f64> = at.iter().zip(&step).map(|(a, s)| a - s).collect();
                let reached = self.value(&trial);
                if reached <= value * (1.0 + 4.0 * f64::EPSILON) {
                    moved = Some((trial, reached));
                    break;
                }
                step.iter_mut().for_each(|s| *s /= 2.0);
            }
            let Some(moved) = moved else { break };
            (at, value) = moved;
            // The number of digits doubles with each step, until rounding is all that is left.
            let size = dot(&step, &step).sqrt() * total;
            if size <= ACCURATE * dot(&at, &at).sqrt() * total || (size <= ACCURATE && size > last / 4.0) {
                break;
            }
            last = size;
        }
        at
    }

    fn contraction(&self, at: &[f64]) -> Option<Contraction> {
        if at.is_empty() {
            return None;
        }
        let (total, _, spread) = self.derivatives(at)?;
        let known = spectrum::largest(&spread, at.len()).0 / total;
        // Over all directions the eigenvalues of Σ β u uᵀ sum to Σ β, since the u are unit vectors: what those of the
        // hull leave over is the most that there can be outside of it, and the two blocks' largest bound the whole's.
        let inside = (0..at.len()).fold(0.0, |sum, i| sum + spread[i * (at.len() + 1)]) / total;
        Some(Contraction { known, certain: known + f64::max(1.0 - inside, 0.0) })
    }
}

/// `matrix⁻¹ right` by Cholesky's factors, unless a pivot is not above `least`.
fn solved(mut matrix: Vec<f64>, mut right: Vec<f64>, least: f64) -> Option<Vec<f64>> {
    let m = right.len();
    for i in 0..m {
        for k in 0..=i {
            let known = dot(&matrix[i * m..i * m + k], &matrix[k * m..k * m + k]);
            let left = matrix[i * m + k] - known;
            matrix[i * m + k] = match i == k {
                true if left.is_nan() || left <= least => return None,
                true => left.sqrt(),
                false => left / matrix[k * m + k],
            };
        }
        right[i] = (right[i] - dot(&matrix[i * m..i * m + i], &right[..i])) / matrix[i * m + i];
    }
    for i in (0..m).rev() {
        let known = (i + 1..m).fold(0.0, |sum, k| sum + matrix[k * m + i] * right[k]);
        right[i] = (right[i] - known) / matrix[i * m + i];
    }
    Some(right)
}
