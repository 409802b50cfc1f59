//! Where a value was thrown that is no error: it has no stack of its own, so QuickJS notes one when it is thrown (c/quickjs.insertions).

use javy::quickjs::{Ctx, Value, qjs};

unsafe extern "C" {
    /// The stack of the value that was thrown last, if it is this one.
    fn belljar_stack_of_thrown(ctx: *mut qjs::JSContext, value: qjs::JSValue) -> qjs::JSValue;
}

/// The stack, as text; empty when this is not what was thrown last.
pub(crate) fn stack<'js>(ctx: Ctx<'js>, value: Value<'js>) -> String {
    // SAFETY: the value belongs to the context; what comes back is a reference of our own.
    let stack = unsafe { Value::from_raw(ctx.clone(), belljar_stack_of_thrown(ctx.as_raw().as_ptr(), value.as_raw())) };
    // An applet's `Error.prepareStackTrace` may have made something else.
    stack.as_string().map(crate::values::text).unwrap_or_default()
}
