/** Mantine's parts as links of the router: checked addresses, no reload. */
import { Anchor, type AnchorProps, Button, type ButtonProps } from '@mantine/core';
import { createLink } from '@tanstack/react-router';
import type { AnchorHTMLAttributes, Ref } from 'react';

type Native<P> = P &
  Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof P> & { ref?: Ref<HTMLAnchorElement> };

export const Link = createLink((props: Native<AnchorProps>) => <Anchor {...props} />);

export const LinkButton = createLink((props: Native<ButtonProps>) => <Button component="a" {...props} />);
