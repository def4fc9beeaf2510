//! Which arithmetic each layer has.

use std::fmt;
use std::str::FromStr;

use wildmatch::WildMatch;

use crate::doors::Io;
use crate::error::ConvertError;
use crate::graph::Graph;

use super::Bits;

/// Arithmetic of a program or of one layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// int8 weights and activations.
    #[default]
    Int8,
    /// int4 weights in convolutions and fully connected layers, int8 for all else.
    Int4,
    /// int8 weights, int16 activations: of a layer, what it computes.
    Int16,
    /// 32-bit float.
    F32,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Int8, Self::Int4, Self::Int16, Self::F32];

    /// The name that options and reports have.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 => "int4",
            Self::Int16 => "int16",
            Self::F32 => "f32",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The arithmetic of the program, and of layers that differ from it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Of every layer without a rule.
    pub precision: Precision,
    /// Of layers whose names match; the last that matches holds.
    pub rules: Vec<Rule>,
    /// Type of inputs and outputs.
    pub io: Io,
}

/// The arithmetic of the layers whose names match a pattern of `*` and `?`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pattern: String,
    precision: Precision,
}

impl Rule {
    /// A rule for the layers that match.
    #[must_use]
    pub fn new(pattern: &str, precision: Precision) -> Self {
        Self { pattern: pattern.into(), precision }
    }

    /// What the layers are to be in.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    fn matches(&self, name: &str) -> bool {
        self.pattern == name || WildMatch::new(&self.pattern).matches(name)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.precision)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(rule: &str) -> Result<Self, String> {
        let wanted = || format!("`{rule}` is not NAME=PRECISION, with a precision of int8, int4, int16, f32");
        let (pattern, precision) = rule.rsplit_once('=').ok_or_else(wanted)?;
        let precision = Precision::ALL.into_iter().find(|each| each.name() == precision).ok_or_else(wanted)?;
        Ok(Self::new(pattern, precision))
    }
}

impl Policy {
    /// The arithmetic of a layer.
    #[must_use]
    pub fn of(&self, layer: &str) -> Precision {
        let rule = self.rules.iter().rev().find(|rule| rule.matches(layer));
        rule.map_or(self.precision, |rule| rule.precision)
    }

    /// Whether a rule names the layer.
    #[must_use]
    pub fn names(&self, layer: &str) -> bool {
        self.rules.iter().any(|rule| rule.matches(layer))
    }

    /// What the weights of a layer take.
    #[must_use]
    pub fn bits(&self, layer: &str) -> Bits {
        match self.of(layer) {
            Precision::Int4 => Bits::Four,
            Precision::Int8 | Precision::Int16 | Precision::F32 => Bits::Eight,
        }
    }

    /// Checks that every rule has a layer.
    ///
    /// # Errors
    /// [`ConvertError::NoLayer`], which names the rule and layers.
    pub fn check(&self, graph: &Graph) -> Result<(), ConvertError> {
        for rule in &self.rules {
            if !graph.nodes.iter().any(|node| rule.matches(&node.name)) {
                let layers = graph.nodes.iter().map(|node| node.name.clone()).collect();
                return Err(ConvertError::NoLayer { pattern: rule.pattern.clone(), layers });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_holds() {
        let rules = ["/blocks/*=int4", "/blocks/?/dw=int16", "/blocks/3/dw=f32"].map(|rule| rule.parse().unwrap());
        let policy = Policy { rules: rules.to_vec(), ..Policy::default() };
        let of = ["/stem", "/blocks/0/pw", "/blocks/0/dw", "/blocks/3/dw"].map(|layer| policy.of(layer));
        assert_eq!(of, [Precision::Int8, Precision::Int4, Precision::Int16, Precision::F32]);
        assert!("conv1".parse::<Rule>().is_err() && "conv1=int7".parse::<Rule>().is_err());
        assert_eq!("a=b=int4".parse(), Ok(Rule::new("a=b", Precision::Int4)));
    }
}
