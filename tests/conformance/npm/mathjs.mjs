import { output } from './harness.mjs';
import { create, all, derivative, evaluate, format, matrix, multiply, parse, simplify, unit, inv, det, complex, sqrt, bignumber } from 'mathjs';

export default () => output(async (print) => {
  print(evaluate('12 / (2.3 + 0.7)'), evaluate('sqrt(3^2 + 4^2)'), format(evaluate('2 inch to cm')), evaluate('det([-1, 2; 3, 1])'), derivative('x^2 + x', 'x').toString(), simplify('2x + 3x').toString(), format(multiply(matrix([[1, 2], [3, 4]]), [5, 6])), format(inv([[1, 2], [3, 4]])), det([[1, 2], [3, 4]]), format(sqrt(-4)), format(complex('2+3i')), unit('5 km').toNumber('m'), parse('a + b').evaluate({ a: 1, b: 2 }), format(bignumber('0.1').add('0.2')));
  print(create(all, { number: 'Fraction' }).evaluate('1/3 + 1/6').toString(), evaluate('f(x) = x * 2; f(4)').toString(), evaluate('mean([1, 2, 3, 4])'));
});
