import { output } from './harness.mjs';
import { buildSchema, graphql, GraphQLInt, GraphQLList, GraphQLObjectType, GraphQLSchema, GraphQLString, parse, print as show, printSchema, validate } from 'graphql';

export default () => output(async (print) => {
  const schema = buildSchema('type Query { hello(name: String!): String, user(id: ID): User } type User { id: ID, posts(first: Int = 2): [Post!]! } type Post { title: String } type Mutation { add(n: Int): Int }');
  const root = { hello: ({ name }) => `hi ${name}`, user: async ({ id }) => ({ id, posts: ({ first }) => Array.from({ length: first }, (_, i) => ({ title: `t${i}` })) }), add: ({ n }) => n + 1 };
  print(await graphql({ schema, source: 'query Q($n: String!) { hello(name: $n) user(id: 7) { id ...F } } fragment F on User { posts { title } }', rootValue: root, variableValues: { n: 'x' } }), await graphql({ schema, source: '{ nope }' }), await graphql({ schema, source: 'mutation { add(n: 4) }', rootValue: root }));
  print(validate(schema, parse('{ hello }')).map((error) => error.message), show(parse('{a(b:1){c}}')), printSchema(new GraphQLSchema({ query: new GraphQLObjectType({ name: 'Query', fields: { n: { type: GraphQLInt }, l: { type: new GraphQLList(GraphQLString) } } }) })));
  try { parse('{'); } catch (error) { print(error.message, error.locations); }
});
