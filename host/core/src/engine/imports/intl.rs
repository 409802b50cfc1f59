//! `Intl`: questions go to the `belljar-intl` crate, and their work is charged as fuel. What is charged depends on the question, on the
//! bytes that go in and out, and on whether this invocation has asked with the same recipe before; never on time.

use belljar_intl::{Formatters, Question};
use wasmtime::component::Linker;
use wasmtime::{AsContextMut, StoreContextMut};

use super::{State, abort, charge};
use crate::engine::bindings::belljar::applet::intl;
use crate::floor::fault::{Fault, FaultCode};

/// Fuel for one answer, and for one comparison.
const ANSWER_FUEL: u64 = 2_000;
const COMPARE_FUEL: u64 = 1_000;
/// Fuel for making what a recipe describes: patterns and names are looked up.
const MADE_FUEL: u64 = 100_000;
/// Fuel for each byte that goes in or out.
const BYTE_FUEL: u64 = 20;

/// In the order of wit/intl.wit.
pub(in crate::engine) const QUESTIONS: [Question; 19] = [
    Question::CanonicalLocale,
    Question::Negotiate,
    Question::SupportedValues,
    Question::ResolveNumber,
    Question::Number,
    Question::NumberParts,
    Question::ResolveDate,
    Question::Date,
    Question::DateParts,
    Question::DateRange,
    Question::DateRangeParts,
    Question::ResolvePlural,
    Question::Plural,
    Question::PluralRange,
    Question::List,
    Question::ListParts,
    Question::RelativeTime,
    Question::RelativeTimeParts,
    Question::ResolveCollator,
];

/// Answers, and charges for it. Used for invocations, and by `prepare` for top-level code.
pub(in crate::engine) fn answer<T: 'static>(
    mut store: impl AsContextMut<Data = T>,
    formatters: impl Fn(&mut T) -> &mut Formatters,
    question: Question,
    recipe: &str,
    value: &str,
) -> wasmtime::Result<Result<String, String>> {
    charge(&mut store, ANSWER_FUEL + BYTE_FUEL * (recipe.len() + value.len()) as u64)?;
    let mut context = store.as_context_mut();
    let formatters = formatters(context.data_mut());
    let made = formatters.made();
    let answer = formatters.answer(question, recipe, value);
    let made = formatters.made() - made;
    let bytes = answer.as_ref().map_or_else(String::len, String::len) as u64;
    charge(&mut store, MADE_FUEL * made + BYTE_FUEL * bytes)?;
    Ok(answer)
}

/// Compares, and charges for it.
pub(in crate::engine) fn compare<T: 'static>(
    mut store: impl AsContextMut<Data = T>,
    formatters: impl Fn(&mut T) -> &mut Formatters,
    recipe: &str,
    left: &str,
    right: &str,
) -> wasmtime::Result<i32> {
    charge(&mut store, COMPARE_FUEL + BYTE_FUEL * (left.len() + right.len()) as u64)?;
    let mut context = store.as_context_mut();
    let formatters = formatters(context.data_mut());
    let made = formatters.made();
    let order = formatters.compare(recipe, left, right);
    let made = formatters.made() - made;
    charge(&mut store, MADE_FUEL * made)?;
    order
        .map(|order| order as i32)
        .map_err(|message| abort(Fault::new(FaultCode::Trap, format!("Intl cannot compare: {message}"))))
}

/// Linked by hand, as the clock is: the macro's trait does not see the fuel.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut instance = linker.instance("belljar:applet/intl@0.1.0")?;
    instance.func_wrap(
        "answer",
        |mut store: StoreContextMut<'_, State>, (question, recipe, value): (intl::Question, String, String)| {
            store.data_mut().host_calls += 1;
            Ok((answer(store, |state| &mut state.formatters, QUESTIONS[question as usize], &recipe, &value)?,))
        },
    )?;
    instance.func_wrap(
        "compare",
        |mut store: StoreContextMut<'_, State>, (recipe, left, right): (String, String, String)| {
            store.data_mut().host_calls += 1;
            Ok((compare(store, |state| &mut state.formatters, &recipe, &left, &right)?,))
        },
    )
}

/// Shadowed by [`link`].
impl intl::Host for State {
    fn answer(
        &mut self,
        question: intl::Question,
        recipe: String,
        value: String,
    ) -> wasmtime::Result<Result<String, String>> {
        Ok(self.formatters.answer(QUESTIONS[question as usize], &recipe, &value))
    }

    fn compare(&mut self, recipe: String, left: String, right: String) -> wasmtime::Result<i32> {
        Ok(self.formatters.compare(&recipe, &left, &right).map_or(0, |order| order as i32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_in_the_order_of_the_interface() {
        let first = [
            intl::Question::CanonicalLocale,
            intl::Question::Number,
            intl::Question::List,
            intl::Question::ResolveCollator,
        ];
        let ours = [Question::CanonicalLocale, Question::Number, Question::List, Question::ResolveCollator];
        for (theirs, ours) in first.into_iter().zip(ours) {
            assert_eq!(QUESTIONS[theirs as usize], ours);
        }
        assert_eq!(QUESTIONS.len(), intl::Question::ResolveCollator as usize + 1);
    }
}
