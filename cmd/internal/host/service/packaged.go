package service

// Packaged is the unit that a package brings, before there is a file that it could
// fit. It allows what most files ask for: backends that run as others, that lie in
// homes, that compute on graphics cards. The step writes one that allows no more
// than the file at hand needs, in the folder that systemd prefers; what it takes
// back leaves this one in effect (systemd.unit(5)).
func Packaged(around Around) string {
	user := Default().User
	u := unit{user: user, group: user, program: around.Program, file: around.File, socket: around.Socket,
		stopsWithin: around.StopsWithin, connections: around.Connections, limits: around.Limits,
		needs: needs{starts: true, others: true, homes: true, cards: true}}
	return `# Brought by the package. "gateway setup apply service" writes one that fits the
# file into ` + unitFile + `, and that one holds.

` + u.sections()
}
