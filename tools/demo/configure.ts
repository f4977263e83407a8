// The commands that configure a system for the demo: what an administrator would type, in order.

/** Words of a command line; what is put in stays one word. */
function words(strings: TemplateStringsArray, ...inserted: (string | number)[]): string[] {
  const marked = strings.map((text, i) => (i < inserted.length ? `${text}~${i}~` : text)).join('');
  return marked
    .trim()
    .split(/\s+/)
    .map((word) => word.replaceAll(/~(\d+)~/g, (_all, i: string) => String(inserted[Number(i)])));
}

export interface Site {
  readonly libraryDir: string;
  /** Capacity of each virtual tape, as vtl takes it. */
  readonly capacity: string;
  readonly host: string;
  readonly filer: { readonly host: string; readonly port: number; readonly user: string };
  /** The path that the policy protects, as the filer spells it. */
  readonly path: string;
}

export interface ConfigureStep {
  readonly words: readonly string[];
  /** Reads the filer's password from standard input. */
  readonly wantsPassword?: boolean;
}

export function configureSteps(site: Site): ConfigureStep[] {
  const { libraryDir, host, filer } = site;
  const robot = `vtl:${libraryDir}`;
  const drive = (n: number): ConfigureStep => ({
    words: words`tpconfig -add -drive -type hcart -path ${`${robot}#${n - 1}`} -asciiname drive${n} -host ${host} -robot 0 -robtype tld -robdrnum ${n}`,
  });
  return [
    {
      words: words`vtl create ${libraryDir} -drives 2 -slots 10 -cartridges 8 -capacity ${site.capacity}`,
    },
    {
      words: words`tpconfig -add -nh filer1 -filer_addr ${filer.host} -filer_port ${filer.port} -filer_user_id ${filer.user}`,
      wantsPassword: true,
    },
    { words: words`tpconfig -add -robot 0 -robtype tld -robpath ${robot} -host ${host}` },
    drive(1),
    drive(2),
    { words: words`vmpool -create -pn Demo -description ${'volumes of the demo'}` },
    { words: words`vmupdate -rt tld -rn 0 -rh ${host} -mt hcart -p Demo` },
    { words: words`vmquery -a -b` },
    { words: words`bpstuadd -label tape1 -host ${host} -density hcart -rt tld -rn 0 -cj 2` },
    { words: words`bppolicynew demo` },
    { words: words`bpplinfo demo -modify -pt NDMP -residence tape1 -pool Demo -active` },
    { words: words`bpplclients demo -add filer1 NDMP NDMP` },
    { words: words`bpplinclude demo -add ${site.path}` },
    { words: words`bpplsched demo -add full -st FULL -freq 604800 -rl 1` },
  ];
}
