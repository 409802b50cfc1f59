import { output } from './harness.mjs';
import { DateTime, Duration, Interval } from 'luxon';

export default () => output(async (print) => {
  const time = DateTime.fromISO('2024-02-29T10:20:30.123Z', { zone: 'utc' });
  print(time.plus({ months: 1, days: 1 }).toISO(), time.toFormat('yyyy LLL dd HH:mm:ss'), time.startOf('week').toISODate(), time.weekNumber, time.ordinal, time.toMillis(), time.toHTTP(), time.toRFC2822());
  print(DateTime.fromFormat('12/31/2020', 'MM/dd/yyyy', { zone: 'utc' }).toISO(), DateTime.fromISO('x').invalidReason, time.diff(DateTime.utc(2024, 1, 1), ['days', 'hours']).toObject(), Duration.fromISO('P1DT2H').as('minutes'));
  print(Interval.after(time, { hours: 6 }).splitBy({ hours: 2 }).length, DateTime.min(time, DateTime.utc(2020)).year, time.setZone('UTC+3').toISO());
});
