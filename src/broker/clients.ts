/** Who is connected, in which groups. */
export class Clients {
  close(): void {}
}
