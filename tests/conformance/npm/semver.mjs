import { output } from './harness.mjs';
import semver from 'semver';

export default () => output(async (print) => {
  print(semver.valid('v1.2.3'), semver.satisfies('1.2.3', '1.x || >=2.5.0 || 5.0.0 - 7.2.3'), semver.gt('1.2.3', '9.8.7'), semver.inc('1.2.3', 'prerelease', 'beta'), semver.coerce('v3.4 replaces v3.3.1').version, semver.maxSatisfying(['1.2.3', '1.3.0', '2.0.0'], '^1.2'), semver.diff('1.0.0', '1.1.0'), new semver.Range('~1.2').range, semver.sort(['1.10.0', '1.2.0', '1.2.0-rc.1']), semver.minVersion('>1.0.0').version, semver.intersects('^1', '>1.5'), semver.subset('1.2', '1'), semver.parse('nope'));
});
