// Brings a page to life in the browser, with the data that the server has rendered it from.

import { createElement } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { DATA_ID, Document } from 'belljar:page/document';

export function hydrate(Page) {
  const data = document.getElementById(DATA_ID).textContent;
  const { props, page, styles } = JSON.parse(data);
  hydrateRoot(document, createElement(Document, { Page, props, page, styles, data }));
}
