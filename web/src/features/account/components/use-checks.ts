/** What is checked before anything is sent, in words. */
import { useTranslation } from 'react-i18next';
import { codeFault, emailFault, type Fault, requiredFault } from '../checks/checks';

export function useChecks() {
  const { t } = useTranslation('account');
  const check = (faultOf: (value: string) => Fault | undefined) => (value: string) => {
    const fault = faultOf(value);
    return fault ? t(`check.${fault}`) : null;
  };
  return {
    required: check(requiredFault),
    email: check(emailFault),
    code: check(codeFault),
  };
}
