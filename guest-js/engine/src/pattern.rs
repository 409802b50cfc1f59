//! URL patterns (URL Pattern standard), by the `urlpattern` crate: a pattern becomes regular expressions that JavaScript matches with.

use std::cell::RefCell;
use std::ptr::NonNull;

use javy::quickjs::{Array, Ctx, Exception, Function, Object, Persistent, Result, prelude::Func, qjs};
use url::Url;
use urlpattern::regexp::RegExp;
use urlpattern::{
    RegexSyntax, UrlPattern, UrlPatternInit, UrlPatternMatchInput, UrlPatternOptions, component::Component, quirks,
};

use crate::values::Text;

/// Adds these functions to the `Native` object.
pub(crate) fn set(native: &Object<'_>) -> Result<()> {
    native.set("patternParse", Func::from(parse))?;
    native.set("patternParseInit", Func::from(parse_init))?;
    native.set("patternInput", Func::from(|text: Text, base: Option<Text>| input(&text, base.as_ref())))?;
    native.set("patternInputInit", Func::from(|init: Vec<Option<Text>>| input_init(init)))
}

/// JavaScript's own regular expressions: the source is kept, and tested by a function of the web platform.
struct Expression(String);

impl RegExp for Expression {
    fn syntax() -> RegexSyntax {
        RegexSyntax::EcmaScript
    }

    /// Whether it is valid is seen when JavaScript makes it.
    fn parse(pattern: &str, _: &str, _: bool) -> std::result::Result<Self, ()> {
        Ok(Self(pattern.into()))
    }

    /// Asked only whether a protocol matches, never what its groups are.
    fn matches<'a>(&self, text: &'a str) -> Option<Vec<Option<&'a str>>> {
        test(&self.0, text).then(Vec::new)
    }

    fn pattern_string(&self) -> &str {
        &self.0
    }
}

thread_local! {
    /// The test function, while a pattern is parsed: the crate's trait has no place for it.
    static TEST: RefCell<Option<(NonNull<qjs::JSContext>, Persistent<Function<'static>>)>> = const { RefCell::new(None) };
}

fn test(pattern: &str, text: &str) -> bool {
    let Some((context, function)) = TEST.with_borrow(Clone::clone) else { return false };
    // SAFETY: `with_test` keeps the context's borrow for as long as its pointer is here.
    let ctx = unsafe { Ctx::from_raw(context) };
    let matched = function.restore(&ctx).and_then(|function| function.call::<_, bool>((pattern, text)));
    matched.unwrap_or_else(|_| {
        // An invalid expression matches nothing here, and throws when JavaScript makes it.
        ctx.catch();
        false
    })
}

fn with_test<'js, R>(ctx: &Ctx<'js>, function: Function<'js>, work: impl FnOnce() -> R) -> R {
    TEST.set(Some((ctx.as_raw(), Persistent::save(ctx, function))));
    let result = work();
    TEST.set(None);
    result
}

/// The members of a URLPatternInit in the order of the standard's dictionary: protocol, username, …, hash, baseURL.
fn init_of(members: Vec<Option<Text>>) -> std::result::Result<UrlPatternInit, url::ParseError> {
    let mut members = members.into_iter().map(|member| member.map(|text| text.0));
    let mut next = || members.next().flatten();
    Ok(UrlPatternInit {
        protocol: next(),
        username: next(),
        password: next(),
        hostname: next(),
        port: next(),
        pathname: next(),
        search: next(),
        hash: next(),
        base_url: next().map(|base| Url::parse(&base)).transpose()?,
    })
}

fn parse<'js>(
    ctx: Ctx<'js>,
    text: Text,
    base: Option<Text>,
    ignore_case: bool,
    function: Function<'js>,
) -> Result<Array<'js>> {
    let pattern = with_test(&ctx, function, || {
        let base = base.map(|base| Url::parse(&base.0)).transpose().map_err(|error| error.to_string())?;
        let init =
            UrlPatternInit::parse_constructor_string::<Expression>(&text.0, base).map_err(|error| error.to_string())?;
        compile(init, ignore_case)
    });
    answer(&ctx, pattern)
}

fn parse_init<'js>(
    ctx: Ctx<'js>,
    init: Vec<Option<Text>>,
    ignore_case: bool,
    function: Function<'js>,
) -> Result<Array<'js>> {
    let pattern = with_test(&ctx, function, || {
        let init = init_of(init).map_err(|error| error.to_string())?;
        compile(init, ignore_case)
    });
    answer(&ctx, pattern)
}

fn compile(init: UrlPatternInit, ignore_case: bool) -> std::result::Result<UrlPattern<Expression>, String> {
    let options = UrlPatternOptions { regex_syntax: RegexSyntax::EcmaScript, ignore_case };
    UrlPattern::parse(init, options).map_err(|error| error.to_string())
}

/// `PatternParts` of guest-js/web/src/bindings.ts.
fn answer<'js>(ctx: &Ctx<'js>, pattern: std::result::Result<UrlPattern<Expression>, String>) -> Result<Array<'js>> {
    let pattern = pattern.map_err(|message| Exception::throw_type(ctx, &message))?;
    let components = [
        &pattern.protocol,
        &pattern.username,
        &pattern.password,
        &pattern.hostname,
        &pattern.port,
        &pattern.pathname,
        &pattern.search,
        &pattern.hash,
    ];
    let parts = Array::new(ctx.clone())?;
    for (i, component) in components.iter().enumerate() {
        parts.set(i, one(ctx, component)?)?;
    }
    parts.set(components.len(), pattern.has_regexp_groups())?;
    Ok(parts)
}

/// Pattern, regular expression, and the names of its groups.
fn one<'js>(ctx: &Ctx<'js>, component: &Component<Expression>) -> Result<Array<'js>> {
    let part = Array::new(ctx.clone())?;
    part.set(0, component.pattern_string.as_str())?;
    part.set(1, component.regexp.as_ref().map_or("", |regexp| regexp.pattern_string()))?;
    for (i, name) in component.group_name_list.iter().enumerate() {
        part.set(i + 2, name.as_str())?;
    }
    Ok(part)
}

/// The components of a URL to match; none when it is not valid, and so matches nothing.
fn input(text: &Text, base: Option<&Text>) -> Option<Vec<String>> {
    let base = match base {
        Some(base) => Some(Url::parse(&base.0).ok()?),
        None => None,
    };
    let url = Url::options().base_url(base.as_ref()).parse(&text.0).ok()?;
    components(UrlPatternMatchInput::Url(url))
}

fn input_init(init: Vec<Option<Text>>) -> Option<Vec<String>> {
    components(UrlPatternMatchInput::Init(init_of(init).ok()?))
}

fn components(input: UrlPatternMatchInput) -> Option<Vec<String>> {
    let of = quirks::parse_match_input(input)?;
    Some(vec![of.protocol, of.username, of.password, of.hostname, of.port, of.pathname, of.search, of.hash])
}
