/** The mails that the server writes. */
export const templates = [
  'verify_address',
  'already_registered',
  'registered_again',
  'reset_password',
  'password_changed',
  'confirm_new_address',
  'address_changed',
  'token_expires',
  'invitation',
  'deletion_scheduled',
  'account_approved',
  'login_linked',
  'login_unlinked',
] as const;
