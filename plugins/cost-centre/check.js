// Check digits: a number that was mistyped is found, whatever it is. Hyphens and spaces do not count.

/** Luhn, as credit cards: the last digit makes the weighted sum a multiple of ten. */
function luhn(number) {
  const digits = digitsOf(number);
  if (digits.length < 2) return false;
  const sum = digits.reverse().reduce((sum, digit, place) => {
    const weighted = place % 2 === 0 ? digit : 2 * digit;
    return sum + (weighted > 9 ? weighted - 9 : weighted);
  }, 0);
  return sum % 10 === 0;
}

/** ISO 7064 MOD 97-10, as bank accounts: the number leaves one when divided by 97. */
function mod97(number) {
  const digits = digitsOf(number);
  return digits.length > 2 && digits.reduce((rest, digit) => (10 * rest + digit) % 97, 0) === 1;
}

function digitsOf(number) {
  const bare = number.replace(/[\s-]/g, "");
  return /^[0-9]+$/.test(bare) ? [...bare].map(Number) : [];
}

export const CHECKS = { none: () => true, luhn, mod97 };
