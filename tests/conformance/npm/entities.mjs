import { output } from './harness.mjs';
import { decodeHTML, decodeXML, encodeHTML, encodeXML, escapeText } from 'entities';

export default () => output(async (print) => {
  print(decodeHTML('&lt;&eacute;&#x1f600;&notin;&amp'), decodeXML('&lt;&eacute;'), encodeHTML('é<&😀'), encodeXML('é<&😀'), escapeText('<a>&'));
});
