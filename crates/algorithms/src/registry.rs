//! The list of algorithms as configurations name them.

/// Declares [`AlgorithmConfig`] over the algorithms' modules.
macro_rules! algorithms {
    ($($name:literal => $module:ident::$type:ident),* $(,)?) => {
        $( pub use $module::$type; )*
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

                /// The algorithm, for whoever keeps it.
                pub fn shared(&self) -> std::sync::Arc<dyn sottovoce_core::AnyAlgorithm + Send> {
                    match self {
                        $( Self::$type(algorithm) => std::sync::Arc::new(algorithm.clone()), )*
                    }
                }

                /// The algorithm itself.
                pub fn algorithm(&self) -> &dyn sottovoce_core::AnyAlgorithm {
                    match self {
                        $( Self::$type(algorithm) => algorithm, )*
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
        self.algorithm().facts(1).name
    }
}
