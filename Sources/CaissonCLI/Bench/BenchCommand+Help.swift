extension BenchCommand {
    static let help = """
        HOW IT MEASURES:
          Everything runs on the same processors, in turns: each round runs each
          workload once in each engine, and another engine is the first each time.
          A figure is the median of all rounds, with the interval in which it lies
          with 95 % confidence (bootstrap); outliers are counted and kept. Where the
          interval of a ratio holds 1 the difference is within the noise. Files are
          in memory in every engine. docs/bench.md has more.

        COMPARING:
          `compare` shows each figure that both files have: both medians, their
          ratio turned so that more is worse, and whether it is within the noise.
          What else differs, such as a kernel or a version, is said first.

        ENGINES:
          process                 a process in the same root file system (as root),
                                  with the host's files otherwise
          bubblewrap              namespaces alone
          crun, runc              an OCI runtime by itself
          podman                  a container as people start it
          caisson                 a machine of its own for every run
          qemu                    QEMU's microvm with the same kernel and files

        WORKLOADS:
          start and idle-memory are measured from outside. All others are of the
          root file system that guest-images/workloads/build makes.

        ENVIRONMENT:
          CAISSON_WORKLOADS       in place of ~/.cache/caisson/workloads/default
          CAISSON_GUEST, CAISSON_VMM, CAISSON_CACHE
                                  as for `caisson run`

        EXIT STATUS:
          0 success, 1 failure, 2 wrong usage, 128 + n ended by signal n

        EXAMPLES:
          caisson bench --quick                        does everything work?
          caisson bench start idle-memory              how light is an instance?
          caisson bench --html bench.html --json a.json
          caisson bench kernel --engines process,crun,caisson --rounds 20
          caisson bench compare a.json b.json          what changed?
        """
}
