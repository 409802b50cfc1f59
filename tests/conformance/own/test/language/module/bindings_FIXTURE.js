export let count = 0;
export default function () { count++; }
export function inner() { return 'inner'; }
