//! The list of algorithms as configurations name them.

use sottovoce_core::Algorithm;

/// Does something with an algorithm, whichever it is.
pub trait Visitor {
    /// What comes of it.
    type Output;
    /// Does it.
    fn visit<A: Algorithm>(self, algorithm: &A) -> Self::Output;
}

/// Declares the modules of algorithms and [`AlgorithmConfig`] over them.
macro_rules! algorithms {
    ($($name:literal => $module:ident::$type:ident),* $(,)?) => {
        $(
            pub mod $module;
            pub use $module::$type;
        )*
        mod list {
            /// An algorithm with its parameters, told apart by `kind`.
            #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
            #[serde(tag = "kind")]
            #[allow(missing_docs)]
            pub enum AlgorithmConfig {
                $(
                    #[serde(rename = $name)]
                    $type(super::$type),
                )*
            }

            impl AlgorithmConfig {
                /// All kinds, in the order of the list.
                pub const KINDS: &[&str] = &[$($name),*];

                /// Lets `visitor` do what it does with the algorithm.
                pub fn visit<V: super::Visitor>(&self, visitor: V) -> V::Output {
                    match self {
                        $( Self::$type(algorithm) => visitor.visit(algorithm), )*
                    }
                }
            }
        }
    };
}
pub(crate) use algorithms;

pub use crate::list::AlgorithmConfig;

impl Default for AlgorithmConfig {
    fn default() -> Self {
        Self::FedAvg(crate::FedAvg::default())
    }
}

impl AlgorithmConfig {
    /// What configurations call it.
    pub fn name(&self) -> &'static str {
        struct Name;
        impl Visitor for Name {
            type Output = &'static str;
            fn visit<A: Algorithm>(self, algorithm: &A) -> &'static str {
                algorithm.name()
            }
        }
        self.visit(Name)
    }
}
