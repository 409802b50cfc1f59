import { output } from './harness.mjs';
import { catchError, combineLatest, concat, debounceTime, delay, EMPTY, firstValueFrom, from, interval, lastValueFrom, map, merge, mergeMap, of, retry, scan, Subject, switchMap, take, throwError, timer, toArray, zip } from 'rxjs';

export default () => output(async (print) => {
  print(await lastValueFrom(from([1, 2, 3]).pipe(map((x) => x * 2), scan((a, b) => a + b), toArray())), await lastValueFrom(interval(2).pipe(take(3), toArray())), await firstValueFrom(combineLatest([of(1, 2), of('a')])), await lastValueFrom(concat(of(1).pipe(delay(3)), of(2)).pipe(toArray())));
  print(await lastValueFrom(throwError(() => new Error('x')).pipe(retry(1), catchError((error) => of(error.message)))), await lastValueFrom(zip(of(1, 2), of('a', 'b')).pipe(toArray())), await lastValueFrom(from([1, 2]).pipe(mergeMap((x) => timer(x).pipe(map(() => x))), toArray())), await lastValueFrom(merge(EMPTY, of(1)).pipe(switchMap((x) => of(x, x + 1)), toArray())));
  const subject = new Subject();
  const seen = [];
  subject.pipe(debounceTime(4)).subscribe((value) => seen.push(value));
  subject.next(1); subject.next(2);
  await new Promise((resolve) => setTimeout(resolve, 15));
  subject.complete();
  print(seen, await firstValueFrom(EMPTY).catch((error) => error.name));
});
