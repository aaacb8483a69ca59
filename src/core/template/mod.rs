//! Strict rendering of what is pushed to hosts, and the only user of handlebars.
//!
//! Every `{{value}}` in a script is shell-quoted by construction; raw interpolation is refused when a template is loaded.
//! Must never see text that a host has printed, except as such a quoted value.
