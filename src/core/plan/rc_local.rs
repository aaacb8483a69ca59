//! The marked block in `rc.local`: where it goes, what the file becomes, and how it is taken out again.
