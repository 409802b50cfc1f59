import { output } from './harness.mjs';
import dayjs from 'dayjs';
import utc from 'dayjs/plugin/utc.js';
import relativeTime from 'dayjs/plugin/relativeTime.js';
import duration from 'dayjs/plugin/duration.js';
import customParse from 'dayjs/plugin/customParseFormat.js';
import 'dayjs/locale/de.js';

export default () => output(async (print) => {
  for (const plugin of [utc, relativeTime, duration, customParse]) dayjs.extend(plugin);
  const day = dayjs.utc('2024-02-29T10:20:30Z');
  print(day.format('dddd, MMMM D, YYYY h:mm A'), day.locale('de').format('dddd, D. MMMM'), day.add(1, 'year').format(), day.startOf('month').toISOString(), day.endOf('week').toISOString());
  print(day.diff('2023-01-01', 'month', true).toFixed(4), day.from(dayjs.utc('2024-03-02')), dayjs.duration(3661, 'seconds').format('HH:mm:ss'), dayjs('12-25-1995', 'MM-DD-YYYY').format('YYYY/MM/DD'), dayjs('nope').isValid(), day.isBefore('2025-01-01'));
});
