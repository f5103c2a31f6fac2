import ArgumentParser
import CaissonOptions
import ImageStore

/// `caisson image`: the images that machines can run from.
struct ImageCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "image", abstract: "Makes, shows and removes images to run machines from.",
        subcommands: [
            ImageImportCommand.self, ImageBuildCommand.self, ImageListCommand.self, ImageInspectCommand.self,
            ImageRemoveCommand.self, ImagePruneCommand.self,
        ])

    static let help = """
        Images are in ~/.local/share/caisson/images, or in
        $XDG_DATA_HOME/caisson/images.

        EXAMPLES:
          caisson image build debian --include git,make
          caisson image import alpine alpine.oci
          caisson image list
        """

    /// What the help of each subcommand says after its options.
    static var furtherHelp: [(command: any ParsableCommand.Type, text: String)] {
        [
            (ImageCommand.self, help), (ImageImportCommand.self, ImageImportCommand.help),
            (ImageBuildCommand.self, ImageBuildCommand.help),
        ]
    }
}

extension ImageStore {
    /// The user's store.
    static func located() throws(CommandError) -> ImageStore {
        guard let store = standard else {
            throw .failure("there is no place for images: neither XDG_DATA_HOME nor HOME is set")
        }
        return store
    }
}

/// Lets an error of the store's end the command.
func reporting<Value>(_ body: () throws(ImageStoreError) -> Value) throws(CommandError) -> Value {
    do {
        return try body()
    } catch .invalidName(let name) {
        throw .usage("\(ImageStoreError.invalidName(name))")
    } catch {
        throw .failure("\(error)")
    }
}
