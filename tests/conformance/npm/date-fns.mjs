import { output } from './harness.mjs';
import { addMonths, compareAsc, differenceInDays, eachDayOfInterval, endOfMonth, format, formatDistance, formatISO, getISOWeek, isValid, parse, parseISO, startOfWeek } from 'date-fns';
import { de } from 'date-fns/locale';

export default () => output(async (print) => {
  const date = new Date(2024, 1, 29, 13, 5, 9);
  print(format(date, "yyyy-MM-dd'T'HH:mm:ss EEEE do MMMM, QQQ, wo"), format(date, 'PPPPpppp', { locale: de }), formatISO(date, { representation: 'date' }));
  print(addMonths(date, 12), differenceInDays(new Date(2024, 11, 25), date), endOfMonth(date), startOfWeek(date, { weekStartsOn: 1 }), getISOWeek(date));
  print(formatDistance(date, new Date(2024, 4, 1), { addSuffix: true }), formatDistance(date, new Date(2024, 4, 1), { locale: de }), parse('03/02/2020', 'dd/MM/yyyy', date), parseISO('2020-02-30'), isValid(new Date(NaN)));
  print([new Date(2), new Date(1)].sort(compareAsc), eachDayOfInterval({ start: date, end: addMonths(date, 0) }).length);
});
