export const value = await Promise.resolve(5);
