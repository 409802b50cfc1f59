import { output } from './harness.mjs';
import { applyMiddleware, bindActionCreators, combineReducers, compose, legacy_createStore as createStore } from 'redux';

export default () => output(async (print) => {
  const counter = (state = 0, action) => (action.type === 'inc' ? state + (action.by ?? 1) : state);
  const log = [];
  const logger = ({ getState }) => (next) => (action) => { const result = next(action); log.push([typeof action === 'function' ? 'thunk' : action.type, getState().counter]); return result; };
  const thunk = ({ dispatch, getState }) => (next) => (action) => (typeof action === 'function' ? action(dispatch, getState) : next(action));
  const store = createStore(combineReducers({ counter, list: (state = [], action) => (action.type === 'add' ? [...state, action.item] : state) }), applyMiddleware(thunk, logger));
  const stop = store.subscribe(() => log.push('told'));
  store.dispatch({ type: 'inc' });
  bindActionCreators({ inc: (by) => ({ type: 'inc', by }) }, store.dispatch).inc(5);
  await store.dispatch(async (dispatch) => { await null; dispatch({ type: 'add', item: 'x' }); });
  stop();
  print(store.getState(), log, compose((x) => x + 1, (x) => x * 2)(5));
  try { store.dispatch({}); } catch (error) { print(error.message.slice(0, 40)); }
});
