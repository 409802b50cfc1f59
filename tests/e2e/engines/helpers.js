// A second file, so that positions have one to be in.
export function fail() {
  throw new TypeError('it failed');
}
