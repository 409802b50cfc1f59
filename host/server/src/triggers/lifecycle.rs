//! Lifecycle hooks: handlers that are called when an applet is installed, updated, enabled, disabled or uninstalled. Whoever changes the
//! applet calls them, and decides what a failure means: a failed `install` or `update` undoes the installation, others are reported.

use std::sync::Arc;

use belljar::package::{LifecycleEvent, Trigger};
use belljar::{Invocation, Payload};

use super::sink::Discarding;
use crate::directory::Active;
use crate::dispatch::Dispatcher;
use crate::schedule::Lane;

/// Calls the applet's handlers for `event`, in the manifest's order; answers at the first that fails.
///
/// `active` is the release whose handlers are called: for `update` the new one.
///
/// # Errors
/// Text for people: which handler failed, and why.
pub async fn call_hooks(
    dispatcher: &Dispatcher,
    active: &Arc<Active>,
    event: LifecycleEvent,
    detail: &serde_json::Value,
) -> Result<(), String> {
    let descriptor = &active.release.package().descriptor;
    let hooks = descriptor
        .handlers
        .iter()
        .filter(|handler| matches!(handler.trigger, Trigger::Lifecycle { on } if on == event));
    for hook in hooks {
        let mut payload = serde_json::json!({ "on": event, "version": descriptor.version.to_string() });
        if let (Some(payload), Some(detail)) = (payload.as_object_mut(), detail.as_object()) {
            payload.extend(detail.clone());
        }
        let mut invocation = Invocation::new(hook.name.clone(), Payload::Json(payload.to_string()));
        invocation.trigger = "lifecycle".into();
        match dispatcher.call(active, invocation, &mut Discarding, Lane::Admin).await {
            Ok(outcome) => {
                outcome.result.map(drop).map_err(|fault| format!("handler {} failed: {fault}", hook.name))?
            }
            Err(refused) => return Err(format!("handler {} could not be called: {refused}", hook.name)),
        }
    }
    Ok(())
}
