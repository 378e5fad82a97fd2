/** An account by its address, asked for once; where it is gone, by its identifier. */
import { Code } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@/components/link';
import { paths } from '@/config/paths';
import { userQuery } from '../api/get-user';

export function UserName({ id }: { id: string }) {
  const { data, isError } = useQuery({ ...userQuery(id), retry: false });
  if (isError) return <Code>{id}</Code>;
  return (
    <Link to={paths.adminUser} params={{ id }} inherit underline="always">
      {data ? data.display_name || data.email : '…'}
    </Link>
  );
}
