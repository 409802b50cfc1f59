// The pages' words in three languages, and numbers and days as each has them.

const EN = {
  title: 'Spending',
  departments: { engineering: 'Engineering', marketing: 'Marketing', office: 'Office' } as Record<string, string>,
  department: 'Department',
  budget: 'Budget',
  spent: 'Spent',
  left: 'Left',
  day: 'Day',
  purpose: 'Purpose',
  amount: 'Amount',
  onlyOver: 'Only what is over budget',
  shown: (count: number, all: number) => `${count} of ${all} departments`,
  noFigures: 'You may not see figures: ask for the permission finance.read.',
  download: 'All expenses as CSV',
  approve: 'Approve',
  approvedBy: (user: string) => `Approved by ${user}`,
  failed: (status: number) => `It did not work (${status}).`,
  back: 'All departments',
  print: 'Print',
};

export type Texts = typeof EN;

const DE: Texts = {
  title: 'Ausgaben',
  departments: { engineering: 'Entwicklung', marketing: 'Marketing', office: 'Büro' },
  department: 'Abteilung',
  budget: 'Budget',
  spent: 'Ausgegeben',
  left: 'Übrig',
  day: 'Tag',
  purpose: 'Zweck',
  amount: 'Betrag',
  onlyOver: 'Nur was über dem Budget liegt',
  shown: (count, all) => `${count} von ${all} Abteilungen`,
  noFigures: 'Sie dürfen keine Zahlen sehen: bitten Sie um die Berechtigung finance.read.',
  download: 'Alle Ausgaben als CSV',
  approve: 'Freigeben',
  approvedBy: (user) => `Freigegeben von ${user}`,
  failed: (status) => `Das hat nicht geklappt (${status}).`,
  back: 'Alle Abteilungen',
  print: 'Drucken',
};

const FR: Texts = {
  title: 'Dépenses',
  departments: { engineering: 'Développement', marketing: 'Marketing', office: 'Bureau' },
  department: 'Service',
  budget: 'Budget',
  spent: 'Dépensé',
  left: 'Restant',
  day: 'Jour',
  purpose: 'Objet',
  amount: 'Montant',
  onlyOver: 'Seulement ce qui dépasse le budget',
  shown: (count, all) => `${count} services sur ${all}`,
  noFigures: 'Vous ne pouvez pas voir les chiffres : demandez la permission finance.read.',
  download: 'Toutes les dépenses en CSV',
  approve: 'Approuver',
  approvedBy: (user) => `Approuvé par ${user}`,
  failed: (status) => `Cela n’a pas marché (${status}).`,
  back: 'Tous les services',
  print: 'Imprimer',
};

/** `locale` is one of the manifest's. */
export function textsFor(locale: string): Texts {
  return { de: DE, fr: FR }[locale] ?? EN;
}

export function money(locale: string, cents: number): string {
  return new Intl.NumberFormat(locale, { style: 'currency', currency: 'EUR' }).format(cents / 100);
}

/** `day` is YYYY-MM-DD. In UTC on both sides: the server and the browser are seldom in one zone. */
export function dayOf(locale: string, day: string): string {
  return new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', day: 'numeric', timeZone: 'UTC' }).format(new Date(`${day}T00:00:00Z`));
}
