import { output } from './harness.mjs';
import moment from 'moment';

export default () => output(async (print) => {
  const time = moment.utc('2024-02-29T10:20:30Z');
  print(time.format('dddd, MMMM Do YYYY, h:mm:ss a'), time.clone().add(1, 'months').format(), time.clone().startOf('isoWeek').format('YYYY-MM-DD'), time.from(moment.utc('2024-05-01')), time.diff(moment.utc('2024-01-01'), 'days'));
  print(moment.duration(90, 'minutes').humanize(), moment.utc('31-12-2020', 'DD-MM-YYYY', true).isValid(), moment.utc('x', 'YYYY').isValid(), time.isoWeek(), moment.utc(0).calendar(moment.utc(86400000)), time.toArray());
});
