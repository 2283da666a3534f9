package host

import (
	"errors"
	"fmt"
)

// Refused is an error that says what the refusals of a plan say, or nil without any.
func (p Plan) Refused() error {
	var said []error
	for _, r := range p.Refusals {
		said = append(said, fmt.Errorf("%s: %s: %s", r.What, r.Why, r.Instead))
	}
	return errors.Join(said...)
}
