// The document around a page. Server and browser render this one tree, so that ids, titles and streamed parts are the same on both sides.

import { createElement } from 'react';

/** The element that has the page's data for the browser. */
export const DATA_ID = 'belljar-page';

/** Languages and scripts that are written from right to left: the sandbox has no `Intl.Locale` to ask. */
const RIGHT_TO_LEFT = /^(?:(?:ar|ckb|dv|fa|he|ps|sd|ug|ur|yi)(?!-(?:cyrl|deva|latn)\b)|[a-z]+-(?:adlm|arab|hebr|nkoo|rohg|syrc|thaa))(?:-|$)/i;

/** `data` is the text of the data element; undefined where nothing comes to life. */
export function Document({ Page, props, page, styles, data }) {
  return createElement(
    'html',
    { lang: page.locale, dir: RIGHT_TO_LEFT.test(page.locale) ? 'rtl' : 'ltr' },
    createElement(
      'head',
      null,
      createElement('meta', { charSet: 'utf-8' }),
      createElement('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
      styles.map((href) => createElement('link', { key: href, rel: 'stylesheet', href })),
    ),
    createElement(
      'body',
      null,
      createElement(Page, { ...props, page }),
      data === undefined ? null : createElement('script', { id: DATA_ID, type: 'application/json', dangerouslySetInnerHTML: { __html: data } }),
    ),
  );
}
