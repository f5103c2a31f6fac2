import ArgumentParser
import CaissonOptions
import ImageStore

/// `caisson image import`
struct ImageImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Makes an image of files, of a container's image, or of a disk.")

    static let help = """
        SOURCE is one of
          a directory             with a root file system in it
          a tar archive           of one, compressed or not; - for one on standard input
          an OCI layout           a directory or an archive, as skopeo and umoci write it
          a docker archive        as `docker save` and skopeo write it
          a disk                  or a file system: a block device, a raw or qcow2 file

        EXAMPLES:
          caisson image import rootfs ./rootfs
          docker save alpine | caisson image import alpine -
          skopeo copy docker://debian:12 oci:images:debian
          caisson image import debian images --tag debian
        """

    @Argument(help: ArgumentHelp("What the image will be called. One that has the name loses it.", valueName: "name"))
    var name: String

    @Argument(help: ArgumentHelp("What it is made of.", valueName: "source"), completion: .file())
    var source: String

    @Option(help: ArgumentHelp("Which image, where the source has several.", valueName: "tag"))
    var tag: String?

    @Option(help: ArgumentHelp("The most that all files together may have; 64G otherwise.", valueName: "size"))
    var limit: String?

    @OptionGroup var reporting: ProgressOptions

    func run() throws {
        let store = try ImageStore.located()
        var limits = ImportLimits()
        if let limit {
            guard let size = ByteSize(parsing: limit) else {
                throw CommandError.usage("--limit '\(limit)' is no size: use a number and K, M, G or T, as in 8G")
            }
            guard size.bytes <= ImportLimits.largest else {
                throw CommandError.usage(
                    "--limit '\(limit)' is too much: an image has at most \(ByteSize(ImportLimits.largest))")
            }
            limits.fileBytes = size.bytes
        }
        let progress = try reporting.makeLine()
        defer { progress.end() }
        let record = try CaissonCLI.reporting { () throws(ImageStoreError) in
            try store.importImage(
                ImageName(name), from: source, tag: tag, limits: limits, progress: progress.update)
        }
        progress.end()
        print(record.digest)
    }
}
