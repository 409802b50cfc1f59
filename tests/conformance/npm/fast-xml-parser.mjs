import { output } from './harness.mjs';
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser';

export default () => output(async (print) => {
  const xml = '<?xml version="1.0"?><root a="1"><item id="x">one</item><item>2</item><!-- c --><e/><t><![CDATA[<raw>]]></t>&lt;</root>';
  const parsed = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '@' }).parse(xml);
  print(parsed, new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@', format: true }).build(parsed), XMLValidator.validate(xml), XMLValidator.validate('<a><b></a>'));
});
