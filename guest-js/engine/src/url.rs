//! URLs and forms (URL standard), by the `url` crate: a URL is its text and where its parts are, so that JavaScript can cut them out.

use javy::quickjs::{Array, Ctx, Object, Result, prelude::Func};
use percent_encoding::percent_decode_str;
use url::{Position, Url, form_urlencoded, quirks};

use crate::values::{self, Text};

/// Adds these functions to the `Native` object.
pub(crate) fn set(native: &Object<'_>) -> Result<()> {
    native.set("urlParse", Func::from(parse))?;
    native.set("urlCanParse", Func::from(|text: Text, base: Option<Text>| parsed(&text, base.as_ref()).is_some()))?;
    native.set("urlSet", Func::from(set_part))?;
    native.set(
        "percentDecode",
        Func::from(|ctx, text: Text| values::uint8_array(&ctx, &percent_decode_str(&text.0).collect::<Vec<u8>>())),
    )?;
    native.set("formParse", Func::from(form_parse))?;
    native.set("formSerialize", Func::from(form_serialize))
}

fn parsed(text: &Text, base: Option<&Text>) -> Option<Url> {
    let base = match base {
        Some(base) => Some(Url::parse(&base.0).ok()?),
        None => None,
    };
    Url::options().base_url(base.as_ref()).parse(&text.0).ok()
}

fn parse<'js>(ctx: Ctx<'js>, text: Text, base: Option<Text>) -> Result<Option<Array<'js>>> {
    parsed(&text, base.as_ref()).map(|url| parts(&ctx, &url)).transpose()
}

/// `UrlParts` of guest-js/web/src/bindings.ts. A serialised URL is ASCII, so bytes are UTF-16 units.
fn parts<'js>(ctx: &Ctx<'js>, url: &Url) -> Result<Array<'js>> {
    let at = quirks::internal_components(url);
    let end = url.as_str().len() as u32;
    let fragment = at.fragment_start.unwrap_or(end);
    let parts = Array::new(ctx.clone())?;
    parts.set(0, url.as_str())?;
    parts.set(1, at.scheme_end)?;
    parts.set(2, at.username_end)?;
    parts.set(3, at.host_start)?;
    parts.set(4, at.host_end)?;
    parts.set(5, at.port.map_or(-1, i32::from))?;
    parts.set(6, at.path_start)?;
    parts.set(7, at.query_start.unwrap_or(fragment))?;
    parts.set(8, fragment)?;
    Ok(parts)
}

/// A setter of the URL class (URL standard, 6.1), by the numbers of guest-js/web/src/url/url.ts. What it cannot take changes nothing.
fn set_part<'js>(ctx: Ctx<'js>, href: Text, part: u32, value: Text) -> Result<Option<Array<'js>>> {
    let Ok(mut url) = Url::parse(&href.0) else { return Ok(None) };
    let value = value.0.as_str();
    let done = match part {
        0 => quirks::set_protocol(&mut url, value),
        1 => quirks::set_username(&mut url, value),
        2 => quirks::set_password(&mut url, value),
        3 => quirks::set_host(&mut url, value),
        4 => quirks::set_hostname(&mut url, value),
        5 => quirks::set_port(&mut url, value),
        6 => {
            let had_host = url.has_authority();
            quirks::set_pathname(&mut url, value);
            keep_path(&mut url, had_host);
            Ok(())
        }
        7 => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        _ => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
    };
    match done {
        Ok(()) => parts(&ctx, &url).map(Some),
        Err(()) => Ok(None),
    }
}

/// Without a host, a path that begins with two slashes is written after `/.`, so that it is not read as a host (URL standard, 4.5). The
/// crate's setter forgets that.
fn keep_path(url: &mut Url, had_host: bool) {
    if had_host || url.cannot_be_a_base() || url.scheme() == "file" {
        return;
    }
    let path = url.path();
    let before = if path.starts_with("//") { "/." } else { "" };
    let kept = format!("{}:{before}{path}{}", url.scheme(), &url[Position::AfterPath..]);
    if kept != url.as_str()
        && let Ok(kept) = Url::parse(&kept)
    {
        *url = kept;
    }
}

/// Name, value, name, value, … of application/x-www-form-urlencoded text.
fn form_parse<'js>(ctx: Ctx<'js>, text: Text) -> Result<Array<'js>> {
    let flat = Array::new(ctx)?;
    for (i, (name, value)) in form_urlencoded::parse(text.0.as_bytes()).enumerate() {
        flat.set(2 * i, &*name)?;
        flat.set(2 * i + 1, &*value)?;
    }
    Ok(flat)
}

fn form_serialize(flat: Vec<Text>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(values::pairs(flat));
    form.finish()
}
