//! Where the keywords of an instance are, to name the line to change.

use super::diag::Span;
use super::tree::{Block, Node};
use super::{Host, Loaded, Sources};

/// A configuration whose keywords can be looked up.
#[derive(Debug)]
pub struct Places {
    sources: Sources,
    root: Block,
}

/// Reads a configuration as [`super::load`] does.
#[must_use]
pub fn load(path: &str, host: &dyn Host) -> (Loaded, Places) {
    let mut loaded = super::load(path, host);
    let places = Places {
        sources: core::mem::take(&mut loaded.sources),
        root: core::mem::take(&mut loaded.statements),
    };
    (loaded, places)
}

impl Places {
    /// The source files.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// `file:line` of an instance.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<String> {
        let node = self.instances(name).next_back()?;
        self.text(node.keyword.span)
    }

    /// `file:line` of the last statement with this keyword in an instance, also in its blocks.
    #[must_use]
    pub fn keyword(&self, instance: &str, keyword: &str) -> Option<String> {
        let blocks = self
            .instances(instance)
            .filter_map(|node| node.block.as_ref());
        let found = blocks
            .filter_map(|block| last(block, keyword))
            .next_back()?;
        self.text(found.keyword.span)
    }

    /// `file:line` of the last statement with this keyword in `global_defs`.
    #[must_use]
    pub fn global(&self, keyword: &str) -> Option<String> {
        let nodes = self.root.nodes.iter();
        let blocks = nodes
            .filter(|node| &*node.keyword.text == "global_defs")
            .filter_map(|node| node.block.as_ref());
        let found = blocks
            .filter_map(|block| last(block, keyword))
            .next_back()?;
        self.text(found.keyword.span)
    }

    fn instances<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a Node> {
        self.root.nodes.iter().filter(move |node| {
            let first = node.args.first().map(|word| &*word.text);
            &*node.keyword.text == "vrrp_instance" && first == Some(name)
        })
    }

    fn text(&self, span: Span) -> Option<String> {
        let at = self.sources.position(span)?;
        Some(format!("{}:{}", at.file, at.line))
    }
}

/// The last statement with this keyword, also in inner blocks.
fn last<'a>(block: &'a Block, keyword: &str) -> Option<&'a Node> {
    let mut found = None;
    for node in &block.nodes {
        if &*node.keyword.text == keyword {
            found = Some(node);
        }
        let inner = node.block.as_ref().and_then(|block| last(block, keyword));
        found = inner.or(found);
    }
    found
}
