package jupyter

// versions are what is installed into the environment of the hub: packages of
// conda-forge that were released together and fit each other. This is the one
// place to change for another JupyterHub.
//
// jupyterhub brings its proxy, configurable-http-proxy, and Node.js along.
// nb_conda_kernels shows every environment with ipykernel as a kernel.
func versions() []string {
	return []string{
		"python=3.12",
		"jupyterhub=5.2.1",
		"jupyterlab=4.2.6",
		"ipykernel=6.29.5",
		"nb_conda_kernels=2.5.1",
	}
}
