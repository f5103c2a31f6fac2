import ArgumentParser
import CaissonOptions
import ImageStore

/// `caisson image build`
struct ImageBuildCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Builds an image from a distribution's packages.")

    static let help = """
        It is built by mmdebstrap, with the packages that Debian calls essential and
        apt, from where this host's apt gets them. That works as root, and as a user
        who has subordinate ids (/etc/subuid).

        EXAMPLES:
          caisson image build debian
          caisson image build debian --suite trixie --include gcc,make,git toolchain
        """

    @Argument(help: ArgumentHelp("debian", valueName: "distribution"), completion: .list(["debian"]))
    var distribution: String

    @Argument(help: ArgumentHelp("What the image will be called; otherwise as the distribution.", valueName: "name"))
    var name: String?

    @Option(help: ArgumentHelp("More packages, with commas between them.", valueName: "packages"))
    var include: [String] = []

    @Option(help: ArgumentHelp("The distribution's release.", valueName: "suite"))
    var suite = "bookworm"

    @Option(help: ArgumentHelp("A line of sources.list to get packages by; may be repeated.", valueName: "line"))
    var source: [String] = []

    @OptionGroup var reporting: ProgressOptions

    func run() throws {
        guard distribution == "debian" else {
            throw CommandError.usage("there is no way to build '\(distribution)', but debian")
        }
        let packages = include.flatMap { $0.split(separator: ",").map(String.init) }
        let build = DebianBuild(suite: suite, packages: packages, sources: source)
        if let word = build.misnamed.first {
            throw CommandError.usage("'\(word)' is no name of a package or suite of Debian's")
        }
        if let line = source.first(where: { !$0.hasPrefix("deb ") }) {
            throw CommandError.usage("--source '\(line)' is no line of sources.list: begin with 'deb '")
        }
        let store = try ImageStore.located()
        let progress = try reporting.makeLine()
        defer { progress.end() }
        let record = try CaissonCLI.reporting { () throws(ImageStoreError) in
            try store.buildDebian(ImageName(name ?? distribution), build, progress: progress.update)
        }
        progress.end()
        print(record.digest)
    }
}
