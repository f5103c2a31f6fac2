import ImageStore
import Testing

@testable import CaissonCLI
@testable import CaissonOptions

/// What an image says of its command, and what the user says.
@Suite struct ImageOptionsTests {
    private static var configuration: ImageConfiguration {
        var configuration = ImageConfiguration()
        configuration.entrypoint = ["/entry", "-x"]
        configuration.command = ["given"]
        configuration.environment = ["A=image", "B=image"]
        configuration.user = "builder"
        configuration.workingDirectory = "srv"
        return configuration
    }

    @Test func anImageSpeaksWhereTheUserDoesNot() {
        var options = RunOptions()
        options.apply(Self.configuration)
        #expect(options.command == ["/entry", "-x", "given"])
        #expect(options.env == ["A=image", "B=image"])
        #expect(options.user == "builder" && options.workdir == "/srv")
    }

    @Test func theUserHasTheLastWord() throws {
        var options = RunOptions()
        options.command = ["mine"]
        options.env = ["A=user"]
        options.user = "0"
        options.workdir = "/tmp"
        options.apply(Self.configuration)
        #expect(options.command == ["/entry", "-x", "mine"])
        #expect(options.user == "0" && options.workdir == "/tmp")
        let environment = try #require(try options.guestCommand(hostName: "t")).environment
        #expect(environment["A"] == "user" && environment["B"] == "image")
    }

    /// An image is somebody else's: it gets nothing of this host's environment.
    @Test func anImageAsksForNoValueOfTheHosts() throws {
        var configuration = Self.configuration
        configuration.environment = ["PATH", "HOME", "=x", "", "C\0=x", "D=a=b"]
        var options = RunOptions()
        options.apply(configuration)
        #expect(options.env == ["D=a=b"])
        #expect(try #require(try options.guestCommand(hostName: "t")).environment["HOME"] == nil)
    }
}
