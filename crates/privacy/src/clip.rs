//! Clipping: bounds on one client's influence (McMahan, Ramage, Talwar, Zhang, ICLR 2018, for the norm).

use sottovoce_core::{Address, RowBlock, Transform};

/// Scales an update by `min(1, max / ‖update‖₂)`.
#[derive(Debug, Clone, Copy)]
pub struct ClipNorm {
    /// Largest norm, positive.
    pub max: f64,
}

impl Transform for ClipNorm {
    fn client(&self, _at: Address, delta: &mut RowBlock) {
        let norm = delta.norm();
        if norm > self.max {
            let factor = (self.max / norm) as f32;
            for v in delta.values_mut() {
                *v *= factor;
            }
        }
    }
}

/// Limits every value to `[-max, max]`.
#[derive(Debug, Clone, Copy)]
pub struct ClipValue {
    /// Largest magnitude, positive.
    pub max: f32,
}

impl Transform for ClipValue {
    fn client(&self, _at: Address, delta: &mut RowBlock) {
        for v in delta.values_mut() {
            *v = v.clamp(-self.max, self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sottovoce_core::{Layout, Purpose, Rows};

    const AT: Address = Address { seed: 1, purpose: Purpose::Transform, slot: 0, round: 0, client: 0 };

    fn delta() -> RowBlock {
        let layout = Layout::new(&[("weight", 2, 3)]).unwrap();
        RowBlock::new(layout, Rows::All, vec![3.0, -4.0, 0.0, -0.0, 1e-42, 12.0]).unwrap()
    }
    fn through(transform: &dyn Transform) -> RowBlock {
        let mut d = delta();
        transform.client(AT, &mut d);
        d
    }
    fn bits(block: &RowBlock) -> Vec<u32> {
        block.values().iter().map(|v| v.to_bits()).collect()
    }

    #[test]
    fn a_bound_that_does_not_bind_changes_no_bit() {
        assert_eq!(bits(&through(&ClipNorm { max: 13.0 })), bits(&delta()));
        assert_eq!(bits(&through(&ClipNorm { max: f64::INFINITY })), bits(&delta()));
        assert_eq!(bits(&through(&ClipValue { max: 12.0 })), bits(&delta()));
    }

    #[test]
    fn clipped_norms_meet_the_bound_and_keep_the_direction() {
        let clipped = through(&ClipNorm { max: 6.5 });
        assert!(clipped.norm() <= 6.5 * (1.0 + 1e-6));
        assert_eq!(clipped.values()[..3], [1.5, -2.0, 0.0]);
        let mut zero = RowBlock::new(delta().layout().clone(), Rows::All, vec![0.0; 6]).unwrap();
        ClipNorm { max: 1.0 }.client(AT, &mut zero);
        assert_eq!(zero.values(), [0.0; 6]);
    }

    #[test]
    fn clipped_values_meet_the_bound() {
        assert_eq!(through(&ClipValue { max: 3.5 }).values(), [3.0, -3.5, 0.0, -0.0, 1e-42, 3.5]);
    }
}
