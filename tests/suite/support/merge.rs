//! JSON merge patch, RFC 7396.

use serde_json::Value;

/// Changes `base` as the patch says; a member that is null in the patch is removed, unless the base has it as null.
pub(crate) fn merge(base: &mut Value, patch: Value) {
    let (Value::Object(base_map), Value::Object(patch)) = (&mut *base, &patch) else {
        *base = patch;
        return;
    };
    for (key, value) in patch {
        if value.is_null() {
            base_map.remove(key);
        } else {
            merge(base_map.entry(key.clone()).or_insert(Value::Null), value.clone());
        }
    }
}
