import { output } from './harness.mjs';
import { computed, createSSRApp, h, reactive, ref, watch, nextTick } from 'vue';
import { renderToString } from '@vue/server-renderer';

export default () => output(async (print) => {
  const app = createSSRApp({ data: () => ({ n: 2, list: ['a', '<b>'] }), computed: { twice() { return this.n * 2; } }, render() { return h('div', { class: ['x', { y: true }], style: { color: 'red' }, onClick() {} }, [h('p', this.twice), this.list.map((item) => h('li', item)), h(Child, { msg: 'prop' }, { default: () => 'slot' })]); } });
  const Child = { props: ['msg'], async setup(props, { slots }) { const late = await Promise.resolve('late'); return () => h('span', [props.msg, late, slots.default()]); } };
  print(await renderToString(app));
  const state = reactive({ a: 1, deep: { b: 2 } });
  const sum = computed(() => state.a + state.deep.b);
  const seen = [];
  watch(sum, (now, before) => seen.push([before, now]));
  state.deep.b = 5;
  await nextTick();
  const counter = ref(0);
  counter.value++;
  print(sum.value, seen, counter.value);
});
