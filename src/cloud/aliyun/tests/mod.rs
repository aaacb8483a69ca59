//! Tests against a scripted cloud.
